// @ts-check
// One turn of one variant, started by `inChild` of harness.js.
const [module = '', variant = ''] = process.argv.slice(2);

process.once('message', async (parameters) => {
  const { variants } = await import(module);
  process.send?.(await variants[variant](parameters));
});
