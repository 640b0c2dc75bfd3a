"""The suite's options, its two halves, and the modules of its fixtures, which are in support/."""

import sys
from pathlib import Path

import pytest
from run import split

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # for any working folder

pytest.register_assert_rewrite("support")
pytest_plugins = [
    "support.configuration", "support.databases", "support.faulty_s3", "support.loading",
    "support.project", "support.proxy", "support.real_data", "support.s3",
    "support.scratch", "support.tcp_project", "support.tcp_server", "support.views",
]


def pytest_addoption(parser):
    parser.addoption("--part", type=int, choices=(1, 2),
                     help="run only one half of the test files (tests/run.py runs both at once)")
    parser.addoption("--orders", type=int, default=4, metavar="N",
                     help="number of random orders in which files are loaded (default: 4)")
    parser.addoption("--faults", type=int, default=2, metavar="N",
                     help="number of random instants at which etl.py or the server is killed (default: 2)")
    parser.addoption("--inputs", type=int, default=4000, metavar="N",
                     help="number of random texts read as dwh.cfg and as COPY (default: 4000)")
    parser.addoption("--documents", type=int, default=4000, metavar="N",
                     help="number of random documents on which COPY's fast path and slow path must agree"
                          " (default: 4000)")


@pytest.fixture(scope="session")
def inputs(pytestconfig) -> int:
    return pytestconfig.getoption("--inputs")


@pytest.fixture(scope="session")
def document_count(pytestconfig) -> int:
    return pytestconfig.getoption("--documents")


def pytest_generate_tests(metafunc):
    for seed, option in (("order_seed", "--orders"), ("fault_seed", "--faults")):
        if seed in metafunc.fixturenames:
            metafunc.parametrize(seed, range(metafunc.config.getoption(option)))


def pytest_collection_modifyitems(config, items):
    """Leave out the files of the other half."""
    if part := config.getoption("--part"):
        ours = split({item.path for item in items})[part - 1]
        config.hook.pytest_deselected(items=[item for item in items if item.path not in ours])
        items[:] = [item for item in items if item.path in ours]
