"""The dialect: translation of Redshift's SQL into PostgreSQL's, and refusal of what Redshift refuses."""
