-- Everything is staged as text. INSERT makes a DECIMAL of it by itself, an INT and a FLOAT by a cast.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplay;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS song;
DROP TABLE IF EXISTS artist;
DROP TABLE IF EXISTS time;

CREATE TABLE staging_events (
    artist VARCHAR(500), auth VARCHAR(20), firstName VARCHAR(500), gender VARCHAR(1),
    itemInSession VARCHAR(10), lastName VARCHAR(500), length VARCHAR(20), level VARCHAR(10),
    location VARCHAR(500), method VARCHAR(20), page VARCHAR(50), registration VARCHAR(20),
    sessionId VARCHAR(10), song VARCHAR(500), status VARCHAR(3), ts VARCHAR(13),
    userAgent VARCHAR(500), userId VARCHAR(10));
CREATE TABLE staging_songs (
    num_songs VARCHAR(5), artist_id VARCHAR(20), artist_latitude VARCHAR(20),
    artist_longitude VARCHAR(20), artist_location VARCHAR(500), artist_name VARCHAR(500),
    song_id VARCHAR(20), title VARCHAR(500), duration VARCHAR(20), year VARCHAR(4));
CREATE TABLE songplay (
    songplay_id BIGINT IDENTITY(1,1) NOT NULL, start_time TIMESTAMP NOT NULL, user_id INT,
    level VARCHAR(10), song_id VARCHAR(20), artist_id VARCHAR(20), session_id INT,
    location VARCHAR(500), user_agent VARCHAR(500));
CREATE TABLE users (
    user_id INT, first_name VARCHAR(500), last_name VARCHAR(500), gender VARCHAR(1),
    level VARCHAR(10), member_since BIGINT);
CREATE TABLE song (
    song_id VARCHAR(20), title VARCHAR(500), artist_id VARCHAR(20), year INT, duration FLOAT);
CREATE TABLE artist (
    artist_id VARCHAR(20), name VARCHAR(500), location VARCHAR(500), latitude DECIMAL(9, 6),
    longitude DECIMAL(9, 6));
CREATE TABLE time (start_time TIMESTAMP, hour INT, day INT, week INT, month INT, year INT, weekday INT);

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' JSON '{data}/log_json_path.json';
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto';

INSERT INTO songplay (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT TIMESTAMP 'epoch' + SUBSTRING(ts, 1, 10)::BIGINT * INTERVAL '1 second', userId::INT, level,
       song_id, artist_id, sessionId::INT, location, userAgent
FROM staging_events LEFT JOIN staging_songs
    ON song = title AND artist = artist_name AND length = duration
WHERE page = 'NextSong' AND ts LIKE '154%' AND LEN(ts) = 13;

INSERT INTO users
SELECT DISTINCT CAST(userId AS INT), firstName, lastName, gender, level, CONVERT(BIGINT, registration)
FROM staging_events WHERE page = 'NextSong';

INSERT INTO song SELECT DISTINCT song_id, title, artist_id, year::INT, duration::FLOAT FROM staging_songs;

INSERT INTO artist
SELECT DISTINCT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM staging_songs;

INSERT INTO time
SELECT DISTINCT start_time, EXTRACT(h FROM start_time), EXTRACT(d FROM start_time),
       EXTRACT(w FROM start_time), EXTRACT(mon FROM start_time), EXTRACT(y FROM start_time),
       EXTRACT(dow FROM start_time)
FROM songplay;

SELECT year, COUNT(*) AS songs, ROUND(SUM(duration) / 60, 1) AS minutes
FROM song WHERE year > 0 GROUP BY year ORDER BY songs DESC, year LIMIT 5;
