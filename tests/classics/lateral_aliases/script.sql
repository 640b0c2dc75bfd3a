-- The exercise as it is given: the parts of a time are taken from the alias beside them.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
DROP TABLE IF EXISTS time;

CREATE TABLE IF NOT EXISTS staging_events (
    artist VARCHAR, auth VARCHAR, firstName VARCHAR, gender CHAR(1), itemInSession INT,
    lastName VARCHAR, length FLOAT, level VARCHAR, location VARCHAR, method VARCHAR, page VARCHAR,
    registration BIGINT, sessionId INT, song VARCHAR, status INT, ts BIGINT, userAgent VARCHAR,
    userId INT);
CREATE TABLE IF NOT EXISTS staging_songs (
    num_songs INT, artist_id VARCHAR, artist_latitude FLOAT, artist_longitude FLOAT,
    artist_location VARCHAR(512), artist_name VARCHAR, song_id VARCHAR, title VARCHAR,
    duration FLOAT, year INT);
CREATE TABLE IF NOT EXISTS songplays (
    songplay_id INT IDENTITY(0,1) PRIMARY KEY, start_time TIMESTAMP NOT NULL SORTKEY,
    user_id INT NOT NULL DISTKEY, level VARCHAR, song_id VARCHAR, artist_id VARCHAR,
    session_id INT, location VARCHAR, user_agent VARCHAR);
CREATE TABLE IF NOT EXISTS users (
    user_id INT PRIMARY KEY SORTKEY, first_name VARCHAR, last_name VARCHAR, gender CHAR(1),
    level VARCHAR) DISTSTYLE ALL;
CREATE TABLE IF NOT EXISTS songs (
    song_id VARCHAR PRIMARY KEY, title VARCHAR NOT NULL, artist_id VARCHAR NOT NULL, year INT,
    duration FLOAT);
CREATE TABLE IF NOT EXISTS artists (
    artist_id VARCHAR PRIMARY KEY, name VARCHAR NOT NULL, location VARCHAR(512), latitude FLOAT,
    longitude FLOAT);
CREATE TABLE IF NOT EXISTS time (
    start_time TIMESTAMP PRIMARY KEY, hour INT, day INT, week INT, month INT, year INT,
    weekday INT);

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}'
    FORMAT AS JSON '{data}/log_json_path.json' REGION 'us-west-2';
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto' REGION 'us-west-2';

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT TIMESTAMP 'epoch' + e.ts / 1000 * INTERVAL '1 second' AS start_time, e.userId, e.level,
       s.song_id, s.artist_id, e.sessionId, e.location, e.userAgent
FROM staging_events e
LEFT JOIN staging_songs s
    ON e.song = s.title AND e.artist = s.artist_name AND e.length = s.duration
WHERE e.page = 'NextSong';

INSERT INTO users
SELECT DISTINCT userId, firstName, lastName, gender, level
FROM staging_events WHERE page = 'NextSong' AND userId IS NOT NULL;

INSERT INTO songs SELECT DISTINCT song_id, title, artist_id, year, duration FROM staging_songs;

INSERT INTO artists
SELECT DISTINCT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM staging_songs;

INSERT INTO time
SELECT DISTINCT TIMESTAMP 'epoch' + ts/1000 * INTERVAL '1 second' AS start_time,
       EXTRACT(hour FROM start_time) AS hour, EXTRACT(day FROM start_time) AS day,
       EXTRACT(week FROM start_time) AS week, EXTRACT(month FROM start_time) AS month,
       EXTRACT(year FROM start_time) AS year, EXTRACT(weekday FROM start_time) AS weekday
FROM staging_events WHERE page = 'NextSong';

SELECT t.weekday, COUNT(*) AS plays, COUNT(DISTINCT p.user_id) AS listeners,
       plays / listeners AS plays_of_each
FROM songplays p JOIN time t ON p.start_time = t.start_time
GROUP BY t.weekday ORDER BY t.weekday;
