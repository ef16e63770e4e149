import vue from "@vitejs/plugin-vue";

export default { plugins: [vue()], server: { host: "127.0.0.1", port: 3000, strictPort: true } };
