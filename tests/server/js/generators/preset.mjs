// Runs the client preset of graphql-codegen: node preset.mjs SCHEMA OPERATIONS OUT, as its command line would.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { preset } from "@graphql-codegen/client-preset";
import { codegen } from "@graphql-codegen/core";
import { buildSchema, parse } from "graphql";

const [, , schemaFile, operations, out] = process.argv;
const sdl = readFileSync(schemaFile, "utf-8");
const rawSDL = readFileSync(operations, "utf-8");
const sections = await preset.buildGeneratesSection({
  baseOutputDir: `${out}/`,
  schema: parse(sdl),
  schemaAst: buildSchema(sdl),
  documents: [{ location: operations, rawSDL, document: parse(rawSDL) }],
  config: {
    scalars: { DateTime: "string", JSON: "unknown", Position: "number" },
    useTypeImports: true,
    enumsAsTypes: true,
    strictScalars: true,
    emitLegacyCommonJSImports: false,
  },
  presetConfig: { persistedDocuments: { mode: "embedHashInDocument", hashAlgorithm: "sha256" }, fragmentMasking: false },
  plugins: [],
  pluginMap: {},
  documentTransforms: [],
  profiler: { run: (task) => task(), collect: () => [] },
});
for (const section of sections) {
  const text = await codegen(section);
  mkdirSync(dirname(section.filename), { recursive: true });
  writeFileSync(section.filename, text);
}
