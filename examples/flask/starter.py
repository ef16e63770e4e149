from flask import Flask, redirect, request, session
from werkzeug.wrappers import Response

app = Flask(__name__)
app.secret_key = "change-me"

LOGIN = "<form method=post action=/login><input name=name placeholder=Name><button>Log in</button></form>"
PAGE = """
<!doctype html>
<title>Shop</title>
<h1>Hello</h1>
"""


@app.get("/")
def home() -> str:
    return PAGE if "name" in session else LOGIN


@app.post("/login")
def log_in() -> Response:
    session["name"] = request.form["name"]
    return redirect("/")
