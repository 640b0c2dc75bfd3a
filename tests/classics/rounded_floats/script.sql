-- Coordinates out of texts, a flag that is compared with 1, and floats rounded for a report.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
DROP TABLE IF EXISTS time;

CREATE TABLE staging_events (
    artist VARCHAR(MAX), auth VARCHAR(MAX), firstName VARCHAR(MAX), gender VARCHAR(MAX),
    itemInSession INT, lastName VARCHAR(MAX), length FLOAT, level VARCHAR(MAX), location VARCHAR(MAX),
    method VARCHAR(MAX), page VARCHAR(MAX), registration BIGINT, sessionId INT, song VARCHAR(MAX),
    status INT, ts BIGINT, userAgent VARCHAR(MAX), userId INT);
CREATE TABLE staging_songs (
    num_songs INT, artist_id VARCHAR(MAX), artist_latitude VARCHAR(MAX), artist_longitude VARCHAR(MAX),
    artist_location VARCHAR(MAX), artist_name VARCHAR(MAX), song_id VARCHAR(MAX), title VARCHAR(MAX),
    duration FLOAT, year INT);
CREATE TABLE songplays (
    songplay_id BIGINT IDENTITY(0,1), start_time TIMESTAMP, user_id INT, is_paid BOOLEAN,
    song_id VARCHAR, artist_id VARCHAR, session_id INT, seconds FLOAT);
CREATE TABLE users (user_id INT, first_name VARCHAR, last_name VARCHAR, gender CHAR(1), is_paid BOOL);
CREATE TABLE songs (song_id VARCHAR, title VARCHAR, artist_id VARCHAR, year INT, duration FLOAT);
CREATE TABLE artists (
    artist_id VARCHAR, name VARCHAR, location VARCHAR(MAX), latitude FLOAT, longitude DOUBLE PRECISION);
CREATE TABLE time (start_time TIMESTAMP, hour INT, day INT, week INT, month INT, year INT, weekday INT);

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' JSON '{data}/log_json_path.json';
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto';

INSERT INTO songplays (start_time, user_id, is_paid, song_id, artist_id, session_id, seconds)
SELECT TIMESTAMP 'epoch' + ts / 1000 * INTERVAL '1 second', userId, level = 'paid', song_id, artist_id,
       sessionId, TRUNC(length, 2)
FROM staging_events LEFT OUTER JOIN staging_songs
    ON LOWER(song) = LOWER(title) AND LOWER(artist) = LOWER(artist_name)
    AND ROUND(length, 2) = ROUND(duration, 2)
WHERE page = 'NextSong' AND userId IS NOT NULL;

INSERT INTO users
SELECT userId, MAX(firstName), MAX(lastName), MAX(gender), BOOL_OR(level = 'paid')
FROM staging_events WHERE page = 'NextSong' GROUP BY userId;

INSERT INTO songs SELECT DISTINCT song_id, title, artist_id, year, ROUND(duration) FROM staging_songs;

INSERT INTO artists
SELECT DISTINCT artist_id, artist_name, artist_location, artist_latitude::FLOAT, artist_longitude::DOUBLE PRECISION
FROM staging_songs WHERE artist_latitude IS NOT NULL;

INSERT INTO time
SELECT a.start_time, EXTRACT(hour FROM a.start_time), EXTRACT(day FROM a.start_time),
       EXTRACT(week FROM a.start_time), EXTRACT(month FROM a.start_time),
       EXTRACT(year FROM a.start_time), EXTRACT(weekday FROM a.start_time)
FROM (SELECT DISTINCT start_time FROM songplays) a;

SELECT COUNT(*) AS plays, ROUND(AVG(seconds), 2) AS average, TRUNC(MAX(seconds), 1) AS longest,
       ROUND(SUM(seconds) / 3600) AS hours
FROM songplays WHERE is_paid = 1;
