"""Amazon Redshift on PostgreSQL, for machines without AWS: to try the toolkit, for tests and for CI.

It consists of a private PostgreSQL server and a psycopg2 cursor that speaks Redshift. The cursor
translates SQL (`sql/`), carries out COPY of JSON (`copy/`), refuses what Redshift refuses, and
differs from PostgreSQL where Redshift does. It promises fidelity, not scale. It has no SUPER, no
QUALIFY, no MERGE and no COPY of formats other than JSON; what is missing is refused by name. Of
Sparkify it knows the name only.

A name such as r_COPY or c_Window_functions in a comment is a page of Amazon's Redshift Database
Developer Guide.
"""
