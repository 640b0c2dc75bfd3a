-- Subqueries in FROM that nobody named, the parts of a time as texts, and lengths that COPY cuts.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
DROP TABLE IF EXISTS time;

CREATE TABLE staging_events (
    artist VARCHAR, auth VARCHAR, firstName VARCHAR, gender VARCHAR, itemInSession INTEGER,
    lastName VARCHAR, length NUMERIC(12, 6), level VARCHAR, location VARCHAR, method VARCHAR,
    page VARCHAR, registration FLOAT, sessionId INTEGER, song VARCHAR, status INTEGER, ts BIGINT,
    userAgent VARCHAR(1024), userId VARCHAR);
CREATE TABLE staging_songs (
    num_songs INTEGER, artist_id VARCHAR, artist_latitude VARCHAR, artist_longitude VARCHAR,
    artist_location VARCHAR(1024), artist_name VARCHAR, song_id VARCHAR, title VARCHAR,
    duration NUMERIC(12, 6), year INTEGER);
CREATE TABLE songplays (
    songplay_id INTEGER IDENTITY(0,1), start_time TIMESTAMP, user_id VARCHAR, level VARCHAR,
    song_id VARCHAR, artist_id VARCHAR, session_id INTEGER, location VARCHAR,
    user_agent VARCHAR(1024), PRIMARY KEY (songplay_id));
CREATE TABLE users (user_id VARCHAR, name VARCHAR(600), gender VARCHAR, level VARCHAR);
CREATE TABLE songs (
    song_id VARCHAR, title VARCHAR, artist_id VARCHAR, year INTEGER, duration NUMERIC(12, 6));
CREATE TABLE artists (
    artist_id VARCHAR, name VARCHAR, location VARCHAR(1024), latitude NUMERIC(9, 6), longitude NUMERIC(9, 6));
CREATE TABLE time (
    start_time TIMESTAMP, hour INTEGER, day INTEGER, week INTEGER, month INTEGER, year INTEGER,
    weekday VARCHAR(3));

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' JSON 'auto ignorecase';
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto ignorecase';

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT start_time, userId, level, song_id, artist_id, sessionId, location, userAgent
FROM (SELECT TIMESTAMP 'epoch' + ts * INTERVAL '0.001 second' AS start_time, * FROM staging_events
      WHERE page = 'NextSong')
LEFT JOIN (SELECT song_id, artist_id, title, artist_name, duration FROM staging_songs)
    ON song = title AND artist = artist_name AND length = duration;

INSERT INTO users
SELECT userId, full_name, gender, level
FROM (SELECT DISTINCT userId, firstName + ' ' + lastName AS full_name, gender, level
      FROM staging_events WHERE page = 'NextSong');

INSERT INTO songs
SELECT song_id, title, artist_id, year, duration
FROM ((SELECT * FROM staging_songs WHERE year = 0) UNION (SELECT * FROM staging_songs WHERE year <> 0));

INSERT INTO artists
SELECT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM (SELECT artist_id, artist_name, artist_location, artist_latitude, artist_longitude, COUNT(*)
      FROM staging_songs GROUP BY 1, 2, 3, 4, 5);

INSERT INTO time
SELECT start_time, TO_CHAR(start_time, 'HH24')::INT, TO_CHAR(start_time, 'DD')::INT,
       TO_CHAR(start_time, 'IW')::INT, TO_CHAR(start_time, 'MM')::INT, TO_CHAR(start_time, 'YYYY')::INT,
       TO_CHAR(start_time, 'Dy')
FROM (SELECT DISTINCT start_time FROM songplays);

SELECT COUNT(*), MIN(plays), MAX(plays), SUM(plays)
FROM (SELECT user_id, COUNT(*) AS plays FROM songplays GROUP BY user_id);
