# pragma version 0.4.3
# pragma evm-version paris
"""
@title The token of the local chain
@notice ERC-20 with a switch that makes transfers fail, for tests and for the development stack only.
"""

event Transfer:
    sender: indexed(address)
    receiver: indexed(address)
    amount: uint256

event Approval:
    owner: indexed(address)
    spender: indexed(address)
    amount: uint256

name: public(String[32])
symbol: public(String[8])
decimals: public(uint8)
totalSupply: public(uint256)
balanceOf: public(HashMap[address, uint256])
allowance: public(HashMap[address, HashMap[address, uint256]])
paused: public(bool)
owner: address


@deploy
def __init__(decimals_: uint8, supply: uint256):
    self.name = "POSX test token"
    self.symbol = "POSX"
    self.decimals = decimals_
    self.totalSupply = supply
    self.balanceOf[msg.sender] = supply
    self.owner = msg.sender
    log Transfer(sender=empty(address), receiver=msg.sender, amount=supply)


@external
def pause(on: bool):
    assert msg.sender == self.owner, "not the owner"
    self.paused = on


@internal
def _move(sender: address, receiver: address, amount: uint256):
    assert not self.paused, "paused"
    self.balanceOf[sender] -= amount
    self.balanceOf[receiver] += amount
    log Transfer(sender=sender, receiver=receiver, amount=amount)


@external
def transfer(receiver: address, amount: uint256) -> bool:
    self._move(msg.sender, receiver, amount)
    return True


@external
def approve(spender: address, amount: uint256) -> bool:
    self.allowance[msg.sender][spender] = amount
    log Approval(owner=msg.sender, spender=spender, amount=amount)
    return True


@external
def transferFrom(sender: address, receiver: address, amount: uint256) -> bool:
    self.allowance[sender][msg.sender] -= amount
    self._move(sender, receiver, amount)
    return True
