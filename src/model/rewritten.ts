/**
 * Which files the service changes by itself: after an upload (SharePoint writes properties into Office files, PDF, HTML and JPEG), or on
 * the way out (HEIC photos come with other bytes than their size and hash say). Of every other file the size is what it says, and
 * what is stored is what was sent.
 */
const REWRITTEN = new Set(
  (
    "doc docm docx dot dotm dotx pot potm potx pps ppsm ppsx ppt pptm pptx vsd vsdm vsdx xls xlsb xlsm xlsx xlt xltm xltx " +
    "one onetoc2 pdf htm html aspx jpg jpeg jpe"
  ).split(" "),
);
const SERVED_OTHERWISE = new Set(["heic", "heif"]);

/** True when a drive of this type may store other bytes than were sent for a file of this name. */
export function mayBeRewritten(name: string, driveType: string | undefined): boolean {
  return isSharePoint(driveType) && REWRITTEN.has(endingOf(name));
}

/** True when a download may have another length than the service says. */
export function mayComeOtherwise(name: string, driveType: string | undefined): boolean {
  return SERVED_OTHERWISE.has(endingOf(name)) || mayBeRewritten(name, driveType);
}

/** OneDrive for Business and document libraries are SharePoint. */
export function isSharePoint(driveType: string | undefined): boolean {
  return driveType === "business" || driveType === "documentLibrary";
}

function endingOf(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? "" : name.slice(dot + 1).toLowerCase();
}
