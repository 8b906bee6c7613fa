-- The price book as the ledger has it.
from price
