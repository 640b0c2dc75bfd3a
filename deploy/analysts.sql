-- A group for analysts. Its members may read every table and view, also those that create_tables.py
-- creates later. Run this once, after the first create_tables.py, in the same way as grants.sql.

CREATE GROUP analysts;
GRANT USAGE ON SCHEMA public TO GROUP analysts;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO GROUP analysts;
ALTER DEFAULT PRIVILEGES FOR USER "IAMR:sparkify-etl" IN SCHEMA public
    GRANT SELECT ON TABLES TO GROUP analysts;

-- A load locks etl_lock exclusively, so an open transaction that has read it blocks every load.
-- create_tables.py never drops this table, so the REVOKE lasts.
REVOKE ALL ON etl_lock FROM GROUP analysts;
