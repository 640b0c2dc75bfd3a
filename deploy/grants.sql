-- What the database user of etl.py needs. Run once, before create_tables.py, in the database dev,
-- by the administrator: in query editor v2 choose the workgroup, then Secrets Manager as the way to
-- log in, and the secret of the namespace. analysts.sql comes after create_tables.py.
--
-- The role sparkify-etl logs in as the user IAMR:sparkify-etl: write the name of your stack for
-- sparkify. Where it has logged in before, the user exists: leave the first statement out.

CREATE USER "IAMR:sparkify-etl" PASSWORD DISABLE;
GRANT TEMP ON DATABASE dev TO "IAMR:sparkify-etl";
GRANT USAGE, CREATE ON SCHEMA public TO "IAMR:sparkify-etl";
