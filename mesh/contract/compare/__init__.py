"""Two versions of a contract compared: what breaks whom, and how badly."""

from mesh.contract.compare.change import CODES, Change, Code, Level
from mesh.contract.compare.comparison import compare, compare_all
from mesh.contract.compare.pairing import Pairing

__all__ = ["CODES", "Change", "Code", "Level", "Pairing", "compare", "compare_all"]
