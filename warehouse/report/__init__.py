"""python -m warehouse.report: what people listen to, as tables or as a page with charts."""
