"""What a database needs to stand in for Redshift: system tables and functions."""
