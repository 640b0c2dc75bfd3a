-- The privileges of the database user of etl.py. The administrator runs this once in the database dev,
-- before create_tables.py. In query editor v2, choose the workgroup, log in with Secrets Manager, and
-- choose the secret of the namespace. Run analysts.sql after create_tables.py.
--
-- The role sparkify-etl logs in as the user IAMR:sparkify-etl. Replace sparkify by the name of your
-- stack. If the role has logged in before, the user exists: skip the first statement.

CREATE USER "IAMR:sparkify-etl" PASSWORD DISABLE;
GRANT TEMP ON DATABASE dev TO "IAMR:sparkify-etl";
GRANT USAGE, CREATE ON SCHEMA public TO "IAMR:sparkify-etl";
