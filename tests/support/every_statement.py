"""Every statement of the toolkit by name: those of sql_queries.py, and those of the package, which are
next to the functions that use them."""

import sql_queries
from warehouse import history, ledger, rejected_rows, tables
from warehouse.database import transactions
from warehouse.preflight import redshift
from warehouse.report import questions

ASKERS = (questions, redshift, history, ledger, rejected_rows, transactions, tables)


def find_statements(module) -> dict[str, str]:
    """Return the statements of a module by name: its constants, and those in the tuple QUESTIONS."""
    constants = {name: value for name, value in vars(module).items()
                 if isinstance(value, str) and value.startswith("-- ")}
    return constants | {f"QUESTIONS.{question.view}": question.sql
                        for question in getattr(module, "QUESTIONS", ())}


RUN_ORDERS = {
    name: value for name, value in vars(sql_queries).items() if isinstance(value, tuple)
}
IN_THE_FILE = find_statements(sql_queries)
IN_THE_PACKAGE = {
    f"{module.__name__}.{name}": sql for module in ASKERS for name, sql in find_statements(module).items()
}
OF_ONE_LINE = {
    sql: sql for order in RUN_ORDERS.values() for sql in order if not sql.startswith("-- ")
}
NAMED = IN_THE_FILE | IN_THE_PACKAGE
EVERY_STATEMENT = NAMED | OF_ONE_LINE
