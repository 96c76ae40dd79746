/** The environment variables that are not settings of the gateway. */

/** The path of the configuration file. */
export const FILE_VARIABLE = "SALLYPORT_CONFIG";
/** The gateway sets this variable for its successor, the process that replaces it at an upgrade. */
export const UPGRADE_VARIABLE = "SALLYPORT_UPGRADE";
/** The profile of the command line client. The gateway ignores it. */
export const PROFILE_VARIABLE = "SALLYPORT_PROFILE";
