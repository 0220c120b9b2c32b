package android.content.res;

import java.io.IOException;

/** A folder of files. */
public class AssetManager {
  private final String folder;

  public AssetManager(String folder) {
    this.folder = folder;
  }

  public AssetFileDescriptor openFd(String name) throws IOException {
    return new AssetFileDescriptor(folder + "/" + name);
  }
}
