/** Three joined nodes. */
export function Logo({ size = 28 }: { size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 32 32"
      aria-hidden="true"
      style={{ flex: 'none', display: 'block' }}
    >
      <rect width="32" height="32" rx="8" fill="#0c7a6c" />
      <path
        d="M16 8.5 8.5 22h15z"
        fill="none"
        stroke="#fff"
        strokeWidth="2.2"
        strokeLinejoin="round"
        opacity=".75"
      />
      <circle cx="16" cy="8.7" r="3.7" fill="#fff" />
      <circle cx="8.7" cy="22" r="3.7" fill="#fff" />
      <circle cx="23.3" cy="22" r="3.7" fill="#fff" />
    </svg>
  );
}
