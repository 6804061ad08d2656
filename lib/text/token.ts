/** Whether a text looks like a token that somebody generated, not like a name: long, and with letters and digits all mixed. */
export const looksLikeToken = (text: string): boolean => {
  const characters = text.replace(/[^A-Za-z0-9]/g, '');
  if (characters.length < 16 || !/[A-Za-z]/.test(characters)) return false;
  const digits = characters.replace(/\D/g, '').length;
  const isOneWord = !/[-._~]/.test(text) && digits >= 2;
  const changes = characters.match(/\d(?=[A-Za-z])|[A-Za-z](?=\d)/g) ?? [];
  return isOneWord || changes.length >= 4;
};
