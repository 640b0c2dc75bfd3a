-- Who asks the questions: a group that may read every table and view, also those that a later
-- create_tables.py makes. Run once, after the first create_tables.py, as grants.sql was run.

CREATE GROUP analysts;
GRANT USAGE ON SCHEMA public TO GROUP analysts;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO GROUP analysts;
ALTER DEFAULT PRIVILEGES FOR USER "IAMR:sparkify-etl" IN SCHEMA public
    GRANT SELECT ON TABLES TO GROUP analysts;

-- A load holds etl_lock for itself alone, so an open transaction that has read it stops every load.
-- create_tables.py never makes it again.
REVOKE ALL ON etl_lock FROM GROUP analysts;
