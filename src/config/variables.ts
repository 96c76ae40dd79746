/** The environment variables that are not settings of the gateway. */

/** The path of the configuration file. */
export const FILE_VARIABLE = "SALLYPORT_CONFIG";
/** Set by the gateway for the process that replaces it. */
export const UPGRADE_VARIABLE = "SALLYPORT_UPGRADE";
/** The profile of the command line client. The gateway ignores it. */
export const PROFILE_VARIABLE = "SALLYPORT_PROFILE";
