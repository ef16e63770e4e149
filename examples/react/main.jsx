import { createRoot } from "react-dom/client";
import { RoomcastProvider, useUploads } from "roomcast/react";

function Uploads() {
  const { uploads, aggregate, send } = useUploads();
  return (
    <>
      <input type="file" multiple aria-label="Files" onChange={(event) => send(event.target.files)} />
      <progress max="100" value={aggregate.progress} />
      <ul>
        {uploads.map((upload, index) => (
          <Upload key={index} {...upload} />
        ))}
      </ul>
    </>
  );
}

function Upload({ file, state, status, progress, error, cancel }) {
  if (status === "completed") return <li><a href={state.element.url}>{file.name}</a></li>;
  if (error) return <li>{file.name}: {error.message}</li>;
  return <li>{file.name}: {Math.floor(progress)} % <button onClick={cancel}>Cancel</button></li>;
}

createRoot(document.querySelector("#app")).render(
  <RoomcastProvider url="http://127.0.0.1:8000">
    <Uploads />
  </RoomcastProvider>,
);
