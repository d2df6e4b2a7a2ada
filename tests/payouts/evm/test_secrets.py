"""A hot wallet's key is in the environment and nowhere else, and so is a node's access key."""

from __future__ import annotations

import logging
import subprocess
import sys
import traceback
from typing import Any

import pytest

from apps.payouts.custody.evm import chain as evm_chain
from apps.payouts.custody.evm.account_library import account_library
from apps.payouts.custody.evm.errors import TransferWaits
from apps.payouts.custody.evm.signing import hot_key
from config import env, parsers
from config.env import EnvironmentInvalid, read_environment
from config.parsers import Hidden
from tests.payouts.evm.chain_scene import DEPTH, ChainScene, planted_key
from tests.servers import BACKEND

ACCESS = "node-access-key-1234567890"


def digits(key: str) -> str:
    return key.removeprefix("0x").lower()


def written(caplog: pytest.LogCaptureFixture) -> str:
    """Everything logged, tracebacks included, before any redaction."""
    formatter = logging.Formatter("%(name)s %(message)s %(args)s")
    return "\n".join(formatter.format(record) for record in caplog.records).lower()


def test_no_log_line_of_a_transfer_s_life_holds_the_key(
    scene: ChainScene, key: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    scene.chain.automine(False)
    scene.ready()
    scene.work()
    scene.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * 10**9))
    scene.chain.mine()
    scene.later()
    scene.chain.mine(DEPTH)
    with monkeypatch.context() as broken:
        broken.setattr(evm_chain, "mined_among", lambda *_args: 1 / 0)
        assert scene.later() == {"error": 1}
    assert scene.later() == {"paid": 1}
    assert "zerodivisionerror" in written(caplog), "the log was really read"
    assert digits(key) not in written(caplog)


def test_no_row_holds_the_key(scene: ChainScene, key: str, admin_connection: Any) -> None:
    scene.ready()
    scene.work()
    with admin_connection.cursor() as cursor:
        cursor.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
        tables = [name for (name,) in cursor.fetchall()]
        assert "payouts_evmtransaction" in tables
        for table in tables:
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE lower(t::text) LIKE %s', [f"%{digits(key)}%"]
            )
            assert cursor.fetchone() == (0,), table


def test_a_node_s_address_is_in_no_line(
    scene: ChainScene, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("urllib3").setLevel(logging.INFO)  # as config/logs.py has it
    settings.EVM_RPC_URLS = Hidden({"31337": f"http://127.0.0.1:9/v3/{ACCESS}"})
    scene.ready()
    assert scene.work() == {"submitting": 1}
    assert "evm_node_unreachable" in written(caplog)
    assert ACCESS not in written(caplog)
    assert ACCESS not in str([vars(attempt) for attempt in scene.attempts()])


def test_nothing_that_holds_the_key_shows_it(settings: Any) -> None:
    key = planted_key()
    settings.EVM_KEYS = Hidden({"NA": key})
    account = hot_key("NA", _address(key))
    shown = f"{settings.EVM_KEYS} {settings.EVM_KEYS!r} {account} {account!r}"
    assert digits(key) not in shown.lower()
    assert not hasattr(account, "__dict__")


def test_a_key_of_another_wallet_is_not_quoted(settings: Any) -> None:
    key = planted_key()
    settings.EVM_KEYS = Hidden({"NA": key})
    with pytest.raises(TransferWaits) as refusal:
        hot_key("NA", "0x" + "11" * 20)
    assert digits(key) not in "".join(traceback.format_exception(refusal.value)).lower()


def _address(key: str) -> str:
    return str(account_library().from_key(key).address)


def test_the_library_leaves_the_recursion_limit_alone() -> None:
    # py_ecc's 100,000 would let a body of nested brackets run through the C stack and kill the process.
    script = (
        "import sys; before = sys.getrecursionlimit()\n"
        "from apps.payouts.custody.evm.account_library import account_library\n"
        "account_library(); print(before == sys.getrecursionlimit())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=BACKEND, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


# The environment


def test_keys_are_read_by_site() -> None:
    assert dict(parsers.evm_keys(f"NA:0x{'1' * 64}, ASIA:{'a' * 64}")) == {
        "NA": f"0x{'1' * 64}",
        "ASIA": f"0x{'a' * 64}",
    }


def test_nodes_are_read_by_chain() -> None:
    assert dict(parsers.rpc_urls("1=https://node.example/v3/key?a=b,31337=http://127.0.0.1:8545")) == {
        "1": "https://node.example/v3/key?a=b",
        "31337": "http://127.0.0.1:8545",
    }


ONE, TWO = "1" * 64, "2" * 64


@pytest.mark.parametrize(
    "value",
    [
        ONE,
        f"NA={ONE}",
        f":{ONE}",
        f"NA:{ONE}1",
        f"NA:{'g' * 64}",
        f"NA:{'0' * 64}",
        f"NA:{'f' * 64}",
        f"NA:{ONE},NA:{TWO}",
        f"NA:{ONE},ASIA:0x{ONE}",
    ],
)
def test_malformed_keys_are_refused_without_being_quoted(value: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="EVM_KEYS is malformed") as refusal:
        read_environment({"EVM_KEYS": value}, env.LOCAL)
    assert not any(word in str(refusal.value) for word in (ONE, TWO, "g" * 64, "f" * 64))


@pytest.mark.parametrize(
    "value", ["https://node", "x=https://node", "1=node", "1=ftp://node", "1=https://a,1=https://b"]
)
def test_malformed_nodes_are_refused(value: str) -> None:
    with pytest.raises(EnvironmentInvalid, match="EVM_RPC_URLS is malformed"):
        read_environment({"EVM_RPC_URLS": value}, env.LOCAL)


def test_without_them_there_are_none() -> None:
    environment = read_environment({}, env.LOCAL)
    assert (environment.EVM_KEYS, environment.EVM_RPC_URLS, environment.EVM_MAX_FEE_GWEI) == ({}, {}, 300)
