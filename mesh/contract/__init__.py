"""IDL to methods, policy and codec: `load` a contract, and read from it whatever a contract says."""

from mesh.contract.codec import CodecError
from mesh.contract.importer import contracts
from mesh.contract.loader import contract_of, load, load_texts, service_of
from mesh.contract.problem import ContractError

__all__ = ["CodecError", "ContractError", "contract_of", "contracts", "load", "load_texts", "service_of"]
