-- The number of a user is a text in one table and an INT in the other; they are compared all the same.
DROP TABLE IF EXISTS staging_events;
DROP TABLE IF EXISTS staging_songs;
DROP TABLE IF EXISTS songplays;
DROP TABLE IF EXISTS users;
DROP TABLE IF EXISTS songs;
DROP TABLE IF EXISTS artists;
DROP TABLE IF EXISTS time;

CREATE TABLE staging_events (
    event_id INT IDENTITY(0,1), artist VARCHAR(255), auth VARCHAR(255), firstName VARCHAR(255),
    gender VARCHAR(1), itemInSession INT, lastName VARCHAR(255), length FLOAT, level VARCHAR(50),
    location VARCHAR(255), method VARCHAR(25), page VARCHAR(35), registration BIGINT, sessionId BIGINT,
    song VARCHAR(255), status INT, ts VARCHAR(50), userAgent TEXT, userId VARCHAR(100),
    PRIMARY KEY (event_id));
CREATE TABLE staging_songs (
    song_id VARCHAR(100), num_songs INT, artist_id VARCHAR(100), artist_latitude FLOAT,
    artist_longitude FLOAT, artist_location VARCHAR(512), artist_name VARCHAR(255),
    title VARCHAR(255), duration FLOAT, year INT, PRIMARY KEY (song_id));
CREATE TABLE time (start_time TIMESTAMP PRIMARY KEY, hour INT, weekday INT);
CREATE TABLE songplays (
    songplay_id INT IDENTITY(0,1), start_time TIMESTAMP REFERENCES time (start_time),
    user_id VARCHAR(50), level VARCHAR(50), song_id VARCHAR(100), artist_id VARCHAR(100),
    session_id BIGINT, location VARCHAR(255), user_agent TEXT, PRIMARY KEY (songplay_id));
CREATE TABLE users (
    user_id INT, first_name VARCHAR(255), last_name VARCHAR(255), gender VARCHAR(1),
    level VARCHAR(50));
CREATE TABLE songs (
    song_id VARCHAR(100), title VARCHAR(255), artist_id VARCHAR(100), year INT, duration FLOAT);
CREATE TABLE artists (
    artist_id VARCHAR(100), name VARCHAR(255), location VARCHAR(512), latitude FLOAT, longitude FLOAT);

COPY staging_events FROM '{data}/log_data' IAM_ROLE '{role}' JSON '{data}/log_json_path.json';
COPY staging_songs FROM '{data}/song_data' IAM_ROLE '{role}' JSON 'auto';

INSERT INTO songplays (start_time, user_id, level, song_id, artist_id, session_id, location, user_agent)
SELECT TIMESTAMP 'epoch' + CAST(ts AS BIGINT) / 1000 * INTERVAL '1 second', userId, level, song_id,
       staging_songs.artist_id, sessionId, location, userAgent
FROM staging_events
INNER JOIN staging_songs ON staging_events.artist = staging_songs.artist_name
    AND staging_events.song = staging_songs.title
WHERE page = 'NextSong';

INSERT INTO users
SELECT DISTINCT CAST(userId AS INT), firstName, lastName, gender, level
FROM staging_events
WHERE page = 'NextSong' AND userId <> '' AND userId NOT IN (SELECT DISTINCT user_id FROM users);
INSERT INTO users
SELECT DISTINCT CAST(userId AS INT), firstName, lastName, gender, level
FROM staging_events
WHERE page = 'NextSong' AND userId <> '' AND userId NOT IN (SELECT DISTINCT user_id FROM users);

INSERT INTO songs
SELECT DISTINCT song_id, title, artist_id, year, duration
FROM staging_songs WHERE song_id NOT IN (SELECT DISTINCT song_id FROM songs);

INSERT INTO artists
SELECT DISTINCT artist_id, artist_name, artist_location, artist_latitude, artist_longitude
FROM staging_songs WHERE artist_id NOT IN (SELECT DISTINCT artist_id FROM artists);

INSERT INTO time
SELECT DISTINCT start_time, DATE_PART(hour, start_time), DATE_PART(dayofweek, start_time)
FROM songplays;

SELECT u.user_id, u.last_name, u.level, COUNT(*) AS plays
FROM songplays p JOIN users u ON p.user_id = u.user_id AND p.level = u.level
GROUP BY u.user_id, u.last_name, u.level ORDER BY plays DESC, u.user_id LIMIT 5;
