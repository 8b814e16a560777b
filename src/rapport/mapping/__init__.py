"""The language of mapping files, for replays of files and for webhooks: where an event's fields come from."""
