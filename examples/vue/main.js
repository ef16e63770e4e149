import { createApp } from "vue";
import { createRoomcast } from "roomcast/vue";
import App from "./App.vue";

createApp(App).use(createRoomcast({ url: "http://127.0.0.1:8000" })).mount("#app");
