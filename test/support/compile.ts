/** Compiles an entry point to an executable, with the options of a release. */
export function compileExecutable(entry: string, outfile: string): Promise<Bun.BuildOutput> {
  return Bun.build({
    entrypoints: [entry],
    // A .env or bunfig.toml in the working directory must not configure the executable.
    compile: { outfile, autoloadDotenv: false, autoloadBunfig: false },
    minify: true,
    bytecode: true,
    sourcemap: "linked",
  });
}
