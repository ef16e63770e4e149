import os
import secrets

from aiohttp import web

routes = web.RouteTableDef()
sessions: dict[str, str] = {}

LOGIN = "<form method=post action=/login><input name=name placeholder=Name><button>Log in</button></form>"
PAGE = """
<!doctype html>
<title>Shop</title>
<h1>Hello</h1>
"""


@routes.get("/")
async def home(request: web.Request) -> web.Response:
    signed_in = request.cookies.get("session") in sessions
    return web.Response(text=PAGE if signed_in else LOGIN, content_type="text/html")


@routes.post("/login")
async def log_in(request: web.Request) -> web.Response:
    form = await request.post()
    session = secrets.token_urlsafe()
    sessions[session] = str(form["name"])
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie("session", session, httponly=True, samesite="Lax")
    return response


app = web.Application()
app.add_routes(routes)

if __name__ == "__main__":
    web.run_app(app, host="127.0.0.1", port=int(os.environ.get("PORT", "8000")))
