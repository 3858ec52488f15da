// HTTP Live Streaming for browsers that do not know it by themselves. Fetched with the first film.

import Hls from "hls.js/light";

/** Play a stream in a video element; gives what ends it, null where this browser cannot. */
export function attach(
  video: HTMLVideoElement,
  link: string,
  otherwise: () => void,
): (() => void) | null {
  if (!Hls.isSupported()) return null;
  // Its worker would be a script made of text, which the policy of this page forbids.
  const hls = new Hls({ enableWorker: false, capLevelToPlayerSize: true });
  hls.on(Hls.Events.ERROR, (_, { fatal, type }) => {
    if (!fatal) return;
    if (type === Hls.ErrorTypes.MEDIA_ERROR && video.readyState > 0) {
      hls.recoverMediaError();
      return;
    }
    hls.destroy();
    otherwise();
  });
  hls.loadSource(link);
  hls.attachMedia(video);
  return () => hls.destroy();
}
