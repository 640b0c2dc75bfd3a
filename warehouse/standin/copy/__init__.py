"""COPY of JSON, as Redshift reads it."""
