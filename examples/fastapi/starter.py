from typing import Annotated

from fastapi import FastAPI, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.middleware.sessions import SessionMiddleware

SECRET = "change-me"
LOGIN = "<form method=post action=/login><input name=name placeholder=Name><button>Log in</button></form>"
PAGE = """
<!doctype html>
<title>Shop</title>
<h1>Hello</h1>
"""

app = FastAPI()
app.add_middleware(SessionMiddleware, secret_key=SECRET)


@app.get("/", response_class=HTMLResponse)
async def home(request: Request) -> str:
    return PAGE if "name" in request.session else LOGIN


@app.post("/login")
async def log_in(request: Request, name: Annotated[str, Form()]) -> RedirectResponse:
    request.session["name"] = name
    return RedirectResponse("/", status_code=303)
