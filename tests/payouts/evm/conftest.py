"""A real chain for these tests: anvil, installed once by npm and pinned by hash."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator

import pytest

from config.parsers import Hidden
from devstack.chain.binary import NoAnvil
from devstack.chain.node import CHAIN_ID, LocalChain
from tests.payouts.evm.chain_scene import ChainScene, planted_key
from tests.servers import REPOSITORY


@pytest.fixture(scope="session")
def _chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalChain]:
    chain = LocalChain(REPOSITORY / ".devstack", tmp_path_factory.mktemp("chain") / "anvil.log")
    try:
        chain.start()
    except NoAnvil as missing:
        if os.environ.get("CI"):
            pytest.fail(str(missing), pytrace=False)
        warnings.warn(f"tests on a real chain were skipped. {missing}", stacklevel=1)
        pytest.skip(str(missing))
    yield chain
    chain.stop()


@pytest.fixture
def chain(_chain: LocalChain) -> LocalChain:
    """An empty chain that mines each transaction at once."""
    _chain.rpc("anvil_reset")
    _chain.automine(True)
    return _chain


@pytest.fixture
def key(settings: object, chain: LocalChain) -> str:
    """The hot wallet's key of the site NA, and the chain's address, where the environment would have put them."""
    secret = planted_key()
    settings.EVM_KEYS = Hidden({"NA": secret})  # type: ignore[attr-defined]
    settings.EVM_RPC_URLS = Hidden({str(CHAIN_ID): chain.url})  # type: ignore[attr-defined]
    return secret


@pytest.fixture
def scene(database: None, bells_lost: None, chain: LocalChain, key: str) -> ChainScene:
    """A site whose asset is sent from its own wallet, which holds 1000 tokens and some gas."""
    return ChainScene(chain, key)
