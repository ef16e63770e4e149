# Sourced when a dyno starts, before the scripts of the buildpacks, which would set WEB_CONCURRENCY to what the dyno's
# memory has room for. With more than one web process the server takes WebSockets alone, while Socket.IO's clients begin
# with polling, so more than one is for the app's owner to choose: a config var stays as it is.
export WEB_CONCURRENCY="${WEB_CONCURRENCY:-1}"
