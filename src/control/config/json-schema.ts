import { configSchema } from './schema.ts';

/** JSON Schema of the configuration file, for editors. The converter is loaded only when it is asked for. */
export async function configJsonSchema(): Promise<object> {
  const { toJsonSchema } = await import('@valibot/to-json-schema');
  const schema = toJsonSchema(configSchema, { typeMode: 'input', errorMode: 'ignore', target: 'draft-2020-12' });
  return { ...schema, title: 'Configuration of Culvert' };
}
