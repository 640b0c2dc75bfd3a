"""etl.py --check: whether a load could run here."""
