"""The dialect: Redshift SQL as PostgreSQL runs it, and what Redshift would refuse refused."""
