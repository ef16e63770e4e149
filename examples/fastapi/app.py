from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from roomcast import CallerRequest, Roomcast, Viewer
from starlette.middleware.sessions import SessionMiddleware

SECRET = "change-me"
LOGIN = "<form method=post action=/login><input name=name placeholder=Name><button>Log in</button></form>"
PAGE = """
<!doctype html>
<title>Shop</title>
<h1>Hello</h1>
<script type="module" src="/uploads/static/element.js"></script>
<upload-drop for="list"></upload-drop>
<upload-progress-list id="list" results></upload-progress-list>
"""

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=SECRET)
rc = Roomcast(data="./data")


@rc.authenticate
async def who(request: CallerRequest) -> Viewer | None:
    scope = {"type": "http", "headers": [(b"cookie", request.headers.get("Cookie", "").encode())]}
    await SessionMiddleware(only_read, secret_key=SECRET)(scope, None, None)
    return Viewer(scope["session"]["name"]) if "name" in scope["session"] else None


async def only_read(*_: object) -> None: ...


@app.get("/", response_class=HTMLResponse)
async def home(request: Request) -> str:
    return PAGE if "name" in request.session else LOGIN


@app.post("/login")
async def log_in(request: Request, name: Annotated[str, Form()]) -> RedirectResponse:
    request.session["name"] = name
    return RedirectResponse("/", status_code=303)


if __name__ == "__main__":
    raise SystemExit(rc.run(asgi=app))
