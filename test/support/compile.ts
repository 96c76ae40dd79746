/** What `bun run build` adds to the options of a release. */
export interface ReleaseBuild {
  /** The commit that `sallyport version` prints. */
  readonly commit: string;
  /** Another system and processor, and the Bun that runs there. */
  readonly runtime?: { readonly target: Bun.Build.CompileTarget; readonly executablePath: string } | undefined;
}

/** Compiles an entry point to an executable, with the options of a release. */
export function compileExecutable(entry: string, outfile: string, build?: ReleaseBuild): Promise<Bun.BuildOutput> {
  return Bun.build({
    entrypoints: [entry],
    // A .env or bunfig.toml in the working directory must not configure the executable.
    compile: { outfile, ...build?.runtime, autoloadDotenv: false, autoloadBunfig: false },
    ...(build !== undefined && { define: { BUILD_COMMIT: JSON.stringify(build.commit) } }),
    minify: true,
    bytecode: true,
    sourcemap: "linked",
  });
}
