// Reads what the official TypeScript SDK's declarations say about the operations of the contract. Takes the folder of the
// package and, from standard input, {"operations": [{"file": ..., "params": ..., "response": ...}]}; writes for each
// operation {"parameters": {name: [values]}, "fields": {path: [values]}} by the names on the wire.
import ts from 'typescript';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';

const folder = process.argv[2];
const { operations } = JSON.parse(await text(process.stdin));
const files = operations.map(({ file }) => join(folder, file));
const program = ts.createProgram(files, { moduleResolution: ts.ModuleResolutionKind.NodeNext, module: ts.ModuleKind.NodeNext, strict: true, skipLibCheck: true, types: [] });
const checker = program.getTypeChecker();

// element is what an array holds; the type itself where it is none.
function element(type) {
  const plain = checker.getNonNullableType(type);
  return checker.isArrayType(plain) ? element(checker.getTypeArguments(plain)[0]) : plain;
}

// values are the texts of a union of texts, or none.
function values(type) {
  const parts = type.isUnion() ? type.types : [type];
  return parts.every((part) => part.isStringLiteral()) ? parts.map((part) => part.value).sort() : [];
}

function properties(type) {
  const plain = checker.getNonNullableType(type);
  return plain.flags & ts.TypeFlags.Object ? checker.getPropertiesOfType(plain) : [];
}

// collect walks the properties of an object: nested names are joined by dots.
function collect(type, prefix, out) {
  for (const property of properties(type)) {
    const inner = element(checker.getTypeOfSymbol(property));
    const name = prefix + property.name;
    if (properties(inner).length > 0) collect(inner, name + '.', out);
    else out[name] = values(inner);
  }
  return out;
}

const described = operations.map(({ file, params, response }) => {
  const source = program.getSourceFile(join(folder, file));
  if (!source) throw new Error(`${file} is not in ${folder}`);
  const exported = checker.getExportsOfModule(checker.getSymbolAtLocation(source));
  const named = (name) => {
    const symbol = exported.find((symbol) => symbol.name === name);
    if (!symbol) throw new Error(`${file} does not export ${name}`);
    return element(checker.getDeclaredTypeOfSymbol(symbol));
  };
  return { parameters: collect(named(params), '', {}), fields: collect(named(response), '', {}) };
});
console.log(JSON.stringify(described));
