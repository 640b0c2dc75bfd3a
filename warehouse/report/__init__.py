"""python -m warehouse.report: what people listen to, as tables in the terminal or a page with charts."""
