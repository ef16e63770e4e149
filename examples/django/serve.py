from django.contrib.auth import get_user
from django.contrib.sessions.backends.db import SessionStore
from django.db import close_old_connections
from django.http import HttpRequest
from roomcast import CallerRequest, Roomcast, Viewer
from shop.asgi import application

rc = Roomcast(data="./data")


@rc.authenticate
def who(request: CallerRequest) -> Viewer | None:
    close_old_connections()  # a plain function runs in a thread of its own, outside Django's requests
    caller = HttpRequest()
    caller.session = SessionStore(request.cookies.get("sessionid"))
    user = get_user(caller)
    return Viewer(str(user.pk), admin=user.is_superuser) if user.is_authenticated else None


raise SystemExit(rc.run(asgi=application))
