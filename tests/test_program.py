import numpy as np
import pytest
from systolith.host.compiler.compile import compile_graph
from systolith.host.driver import Driver
from systolith.host.program import Program, ProgramError
from systolith.host.session import Session
from systolith.host.tflite import load
from systolith.rtl.config import PRESETS
from systolith.sim.model_device import ModelDevice


@pytest.fixture(scope="module")
def program(digits):
    return compile_graph(load(digits / "digits.tflite"), PRESETS["nano"])


def test_a_program_survives_its_file(program, tmp_path):
    path = tmp_path / "digits.sysp"
    program.save(path)
    again = Program.load(path)
    assert again.to_bytes() == program.to_bytes()
    assert list(tmp_path.iterdir()) == [path]


def test_a_loaded_program_gives_the_same_answers(program, digits):
    x = np.load(digits / "digits.npz")["x"][:4]

    def answers(p):
        with Driver(ModelDevice(p.config), p.config) as driver:
            session = Session(driver)
            session.load(p)
            return [session.infer({p.graph.inputs[0]: v}).outputs[p.graph.outputs[0]] for v in x]

    assert np.array_equal(answers(program), answers(Program.from_bytes(program.to_bytes())))


def test_every_flipped_byte_is_found(program):
    data = program.to_bytes()
    rng = np.random.default_rng(0)
    for place in {*range(60), *rng.integers(0, len(data), 200).tolist(), len(data) - 1}:
        bad = bytearray(data)
        bad[place] ^= 1 << int(rng.integers(8))
        with pytest.raises(ProgramError, match="not a systolith program|of version|damaged"):
            Program.from_bytes(bytes(bad))


def test_a_truncated_program_is_refused(program):
    data = program.to_bytes()
    for length in (0, 5, 12, 40, len(data) - 1):
        with pytest.raises(ProgramError):
            Program.from_bytes(data[:length])


def test_a_program_for_another_configuration_is_refused(program):
    with pytest.raises(ProgramError, match="compiled for configuration 'nano', which differs from 'edge': rows 8 in"):
        program.require(PRESETS["edge"])
    with Driver(ModelDevice(PRESETS["edge"]), PRESETS["edge"]) as driver, pytest.raises(ProgramError):
        Session(driver).load(program)


def test_a_program_moves_its_inputs_and_outputs_itself(program, digits, tmp_path):
    graph = load(digits / "digits.tflite")
    compile_graph(graph, PRESETS["nano"], transfers=True).save(tmp_path / "p")
    moving = Program.load(tmp_path / "p")
    assert not any(step.writes or step.reads for step in moving.steps)
    assert moving.traffic() == program.traffic()
    for x in np.load(digits / "digits.npz")["x"][:3]:
        results = []
        for either in (program, moving):
            with Driver(ModelDevice(either.config), either.config) as driver:
                session = Session(driver)
                session.load(either)
                results.append(session.infer({graph.inputs[0]: x.reshape(graph.tensors[graph.inputs[0]].shape)}))
        plain, moved = (result.outputs[graph.outputs[0]] for result in results)
        assert np.array_equal(plain, moved)
