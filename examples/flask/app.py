from flask import Flask, redirect, request, session
from werkzeug.wrappers import Response

app = Flask(__name__)
app.secret_key = "change-me"

LOGIN = "<form method=post action=/login><input name=name placeholder=Name><button>Log in</button></form>"
PAGE = """
<!doctype html>
<title>Shop</title>
<h1>Hello</h1>
<script type="module" src="/uploads/static/element.js"></script>
<upload-drop for="list"></upload-drop>
<upload-progress-list id="list" results></upload-progress-list>
"""


@app.get("/")
def home() -> str:
    return PAGE if "name" in session else LOGIN


@app.post("/login")
def log_in() -> Response:
    session["name"] = request.form["name"]
    return redirect("/")


@app.get("/who")
def who():
    return {"user": session["name"]} if "name" in session else ("", 401)


@app.post("/new-upload")
def new_upload():
    return {"metadata": {"customer": request.json["user"]}}
