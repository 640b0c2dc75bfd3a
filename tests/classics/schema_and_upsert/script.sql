-- A schema of its own, and tables that are brought up to date: rows that are there are replaced.
DROP SCHEMA IF EXISTS sparkify CASCADE;
CREATE SCHEMA IF NOT EXISTS sparkify;
SET search_path TO sparkify;

CREATE TABLE sparkify.staging_events (
    artist VARCHAR(200), auth VARCHAR(20), firstName VARCHAR(100), gender CHAR(1), itemInSession INT,
    lastName VARCHAR(100), length DEC(10, 5), level CHAR(4), location VARCHAR(200), method CHAR(3),
    page VARCHAR(20), registration BIGINT, sessionId INT, song VARCHAR(200), status INT,
    ts BIGINT SORTKEY, userAgent VARCHAR(200), userId VARCHAR(4));
CREATE TABLE sparkify.staging_songs (
    song_id VARCHAR(18), title VARCHAR(200), artist_id VARCHAR(18), artist_name VARCHAR(200),
    artist_location VARCHAR(400), artist_latitude DEC(8, 5), artist_longitude DEC(8, 5),
    duration DEC(10, 5), year INT, num_songs INT);
CREATE TABLE sparkify.users (
    user_id INT NOT NULL, first_name VARCHAR(100), last_name VARCHAR(100), gender CHAR(1), level CHAR(4),
    CONSTRAINT users_key PRIMARY KEY (user_id)) DISTSTYLE ALL;
CREATE TABLE sparkify.songplays (
    songplay_id BIGINT IDENTITY(0,1), start_time DATETIME NOT NULL, user_id INT NOT NULL,
    level CHAR(4), song_id VARCHAR(18), artist_id VARCHAR(18), session_id INT, location VARCHAR(200),
    user_agent VARCHAR(200));
CREATE TABLE sparkify.songs (LIKE sparkify.staging_songs);
CREATE VIEW listeners AS SELECT DISTINCT user_id FROM songplays;
DROP TABLE IF EXISTS sparkify.songplays CASCADE;
CREATE TABLE sparkify.songplays (
    songplay_id BIGINT IDENTITY(0,1), start_time DATETIME NOT NULL, user_id INT NOT NULL,
    level CHAR(4), song_id VARCHAR(18), artist_id VARCHAR(18), session_id INT, location VARCHAR(200),
    user_agent VARCHAR(200)) DISTKEY (user_id) SORTKEY (start_time);

COPY sparkify.staging_events FROM '{data}/log_data' IAM_ROLE '{role}' JSON '{data}/log_json_path.json';
COPY sparkify.staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto';

BEGIN TRANSACTION;
INSERT INTO sparkify.users
SELECT DISTINCT userId::INT, firstName, lastName, gender, 'none'
FROM sparkify.staging_events WHERE userId <> '' AND page = 'Home';

CREATE TEMP TABLE fresh (LIKE sparkify.users);
INSERT INTO fresh
SELECT CAST(userId AS INT), firstName, lastName, gender, level
FROM (SELECT *, RANK() OVER (PARTITION BY userId ORDER BY ts DESC, itemInSession DESC) AS newest
      FROM sparkify.staging_events WHERE page = 'NextSong')
WHERE newest = 1 GROUP BY 1, 2, 3, 4, 5;
DELETE FROM sparkify.users USING fresh WHERE sparkify.users.user_id = fresh.user_id;
INSERT INTO sparkify.users SELECT * FROM fresh;
DELETE FROM sparkify.users WHERE level = 'none';
DROP TABLE fresh;

INSERT INTO sparkify.songs SELECT * FROM sparkify.staging_songs;
UPDATE sparkify.songs SET year = NULL WHERE year = 0;

INSERT INTO sparkify.songplays
    (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT '1970-01-01'::DATE + ts / 1000 * INTERVAL '1 second', CAST(e.userId AS INT), e.level, s.song_id,
       s.artist_id, e.sessionId, e.location, e.userAgent
FROM sparkify.staging_events e, sparkify.staging_songs s
WHERE e.page = 'NextSong' AND e.song = s.title AND e.artist = s.artist_name AND e.length = s.duration;
END TRANSACTION;

CREATE TABLE sparkify.artists DISTSTYLE ALL AS
SELECT artist_id, MAX(artist_name) AS name, MAX(artist_latitude) AS latitude,
       MIN(artist_longitude) AS longitude
FROM sparkify.staging_songs GROUP BY artist_id;

CREATE TABLE sparkify.time DISTKEY (start_time) SORTKEY (start_time) AS
SELECT DISTINCT TIMESTAMP 'epoch' + ts / 1000 * INTERVAL '1 second' AS start_time,
       EXTRACT(hour FROM start_time) AS hour, EXTRACT(day FROM start_time) AS day,
       EXTRACT(week FROM start_time) AS week, EXTRACT(month FROM start_time) AS month,
       EXTRACT(year FROM start_time) AS year, EXTRACT(weekday FROM start_time) AS weekday
FROM sparkify.staging_events WHERE page = 'NextSong';

SELECT TO_CHAR(t.start_time, 'YYYY-MM-DD') AS day, COUNT(*) AS matched
FROM songplays JOIN time t USING (start_time) GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5;
