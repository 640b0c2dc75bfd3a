"""Amazon Redshift on PostgreSQL, for machines without AWS: to try the toolkit, to test it, for CI.

It is a private PostgreSQL server and a psycopg2 cursor that speaks Redshift: SQL is translated
(`sql/`), COPY of JSON is carried out (`copy/`), and what Redshift refuses or does otherwise is
refused or done so here. It promises fidelity and not scale, and it is no warehouse: no SUPER, no
QUALIFY, no MERGE, no COPY of anything but JSON. What it lacks it refuses by name. It knows nothing
about Sparkify.
"""
