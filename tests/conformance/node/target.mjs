// Where the clients go; see tests/conformance/target.py.
const told = (name) => process.env[`CONFORMANCE_${name}`] ?? "";

export const baseURL = told("BASE_URL");
export const model = told("MODEL");
export const reasoner = told("REASONING_MODEL");
export const embedder = told("EMBEDDING_MODEL");
export const apiKey = told("API_KEY") || "none";
