"""One event of a log, and one song."""


def event(number: int, **changes) -> dict:
    return {
        "artist": "The Band", "auth": "Logged In", "firstName": "Ann", "gender": "F",
        "itemInSession": number, "lastName": "Lee", "length": 200.5, "level": "free",
        "location": "Nome, AK", "method": "PUT", "page": "NextSong", "registration": 1540919166796.0,
        "sessionId": 1, "song": "The Song", "status": 200, "ts": 1541105830796 + number * 1000,
        "userAgent": "\"Mozilla\"", "userId": "7",
    } | changes


def song(song_id: str = "SO1", **changes) -> dict:
    return {
        "artist_id": "AR1", "artist_latitude": None, "artist_location": "", "artist_longitude": None,
        "artist_name": "The Band", "duration": 200.5, "num_songs": 1, "song_id": song_id,
        "title": "The Song", "year": 0,
    } | changes
